"""Patients that are made: names, numbers and dates as an archive of some size has them.

Names are chosen evenly from some 18,000, dates from ten years, whatever the archive's size: ten
times the studies are ten times what a prefix or a month finds.
"""

import random
from dataclasses import dataclass

_STEMS = """
Alvarez Becker Costa Dahl Eriksen Farkas Garcia Horvat Ito Jansen Kumar Larsen Meyer Novak Okafor
Rossi Schmidt Tanaka Weber
"""
_ENDINGS = "son sen berg stein mann feld wald bach inho escu ova ski dal ette"
_GIVEN = """
Aiko Amir Anna Anton Ben Bianca Carla Chen Clara Dana David Diego Elena Elif Emil Eva Fatima Felix
Finn Gita Greta Hana Hugo Ines Irina Ivan Jakob Jana Jonas Julia Karim Kenji Lara Leo Lina Luca
Maja Marco Maria Mei Milan Nadia Nils Nina Olga Omar Oscar Paula Petra Priya Rafael Rosa Samir Sara
Sofia Stefan Tariq Tomas Uma Vera Victor Wei Yara Yusuf Zoe
"""
LAST_NAMES = tuple(stem + ending for stem in _STEMS.split() for ending in ("", *_ENDINGS.split()))
FIRST_NAMES = tuple(_GIVEN.split())
FIRST_YEAR, YEARS = 2015, 10
NOBODY = 9_999_999
"""The patient of what is only sent: none of those that are searched for."""


@dataclass(frozen=True, slots=True)
class Patient:
    """Who a study is of, and when it was made."""

    patient_id: str
    name: str
    birth_date: str
    sex: str
    study_date: str
    study_time: str
    accession_number: str


def patient(number: int) -> Patient:
    """The patient of a number, always the same."""
    chance = random.Random(number)
    return Patient(
        patient_id_of(number),
        f"{chance.choice(LAST_NAMES)}^{chance.choice(FIRST_NAMES)}",
        f"{chance.randint(1930, 2010)}{chance.randint(1, 12):02d}{chance.randint(1, 28):02d}",
        chance.choice("FM"),
        f"{FIRST_YEAR + chance.randrange(YEARS)}{chance.randint(1, 12):02d}"
        f"{chance.randint(1, 28):02d}",
        f"{chance.randint(7, 18):02d}{chance.randint(0, 59):02d}00",
        f"A{number * 7919 % 10_000_000:07d}",
    )


def patient_id_of(number: int) -> str:
    """Patient ID of a number; all are of one length."""
    return f"B{number:07d}"
