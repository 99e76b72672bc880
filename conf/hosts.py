"""Addresses: which of them only this machine reaches, and what a network holds."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches a host; of names, only localhost is known to be."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def address_of(host: str) -> Address:
    """The address that a socket names; IPv4 inside IPv6 is IPv4. Raises ValueError."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def is_within(address: Address, network: Network) -> bool:
    """Whether a network holds an address; one of another family never does."""
    return address.version == network.version and address in network
