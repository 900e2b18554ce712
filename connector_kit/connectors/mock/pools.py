"""The words that records are made of: many scripts, quotes and line breaks, for destinations to prove themselves on."""

from __future__ import annotations

__all__ = ["CITIES", "COUNTRIES", "KINDS", "NAMES", "NOTES", "STATUSES", "TAGS"]

NAMES = (
    "Aiko", "Amélie", "Björn", "Chinwe", "Dàibhidh", "Đorđe", "Elif", "Ειρήνη", "François", "Gülşen", "Hana", "Ísold",
    "João", "Κώστας", "Łukasz", "Мария", "Nuño", "O'Brien", "Øystein", "Παύλος", "Quỳnh", "Renée", "Søren", "Þórunn",
    "Uğur", "Veronika", "Wiśława", "Xiùlán", "Юрий", "Zoë", "山田", "𠮷田",
)  # fmt: skip

CITIES = (
    "Αθήνα", "Bogotá", "Chişinău", "Düsseldorf", "İzmir", "Kraków", "Lagos", "Москва", "Nairobi", "São Paulo",
    "Tromsø", "Ürümqi", "Warszawa", "Yaoundé", "東京", "香港",
)  # fmt: skip

STATUSES = ("new", "paid", "packed", "sent", "delivered", "returned", "cancelled", "lost")
KINDS = ("page_view", "click", "search", "login")
TAGS = ("b2b", "newsletter", "vip", "wholesale")

NOTES = (
    None, None, None, "ring twice", 'says "urgent"', "два экземпляра", "line one\nline two", "à gauche, 3ᵉ étage",
)  # fmt: skip

COUNTRIES = (
    ("AQ", "Antarctica", None, 14_200_000.0, ()),
    ("AT", "Österreich", 9_104_772, 83_879.0, ("de",)),
    ("BR", "Brasil", 203_080_756, 8_510_417.8, ("pt",)),
    ("CA", "Canada", 36_991_981, 9_984_670.0, ("en", "fr")),
    ("CH", "Schweiz", 8_962_300, 41_285.0, ("de", "fr", "it", "rm")),
    ("DE", "Deutschland", 83_577_140, 357_595.0, ("de",)),
    ("EG", "مصر", 105_914_499, 1_002_450.0, ("ar",)),
    ("GR", "Ελλάδα", 10_482_487, 131_957.0, ("el",)),
    ("IN", "भारत", 1_210_854_977, 3_287_263.0, ("hi", "en")),
    ("IS", "Ísland", 383_726, 103_125.0, ("is",)),
    ("JP", "日本", 126_146_099, 377_975.0, ("ja",)),
    ("KE", "Kenya", 47_564_296, 580_367.0, ("sw", "en")),
    ("MX", "México", 126_014_024, 1_964_375.0, ("es",)),
    ("NZ", "Aotearoa", 4_993_923, 268_021.0, ("en", "mi")),
    ("TR", "Türkiye", 85_372_377, 783_562.0, ("tr",)),
    ("VN", "Việt Nam", 96_208_984, 331_345.0, ("vi",)),
)
"""Code, name, inhabitants, square kilometres, languages."""
