"""What `./dev` does. The standard library alone: nothing is installed yet when it runs."""
