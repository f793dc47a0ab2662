"""SET and RESET statements with what a gateway makes of them; asked of real ones in tests/contract."""

READ = [
    ("SET 'a.b' = 'c'", "a.b", "c"),
    ("set'a.b'='c'", "a.b", "c"),
    ("SET a.b = c", "a.b", "c"),
    ("SET a.b=c", "a.b", "c"),
    ("SET a.b\n=\nc", "a.b", "c"),
    ("SET a.b = file:///x//y", "a.b", "file:///x//y"),
    ("SET a.b = /*x*/c", "a.b", "/*x*/c"),
    ("SET a.b = 'c d'", "a.b", "c d"),
    ("SET 'a.b' = 'it''s'", "a.b", "it's"),
    ("SET 'a.b' = ''", "a.b", ""),
    ("SET ' a.b ' = ' c '", "a.b", "c"),
    ("SET a.b=c'd", "a.b", "c'd"),
    ("SET a.b = c=d", "a.b", "c=d"),
    ("SET a.b = E'c\\n'", "a.b", "E'c\\n'"),
    ("SET 'a.b' = 'c;d'", "a.b", "c;d"),
    ("SET 'a.b' = 'x\ny'", "a.b", "x\ny"),
    ("SET /* x */ 'a.b' /* y */ = -- z\n 'c'", "a.b", "c"),
    ("RESET", None, None),
    ("RESET a.b", "a.b", None),
    ("reset 'a.b'", "a.b", None),
]

REFUSED = [
    "SET 'a.b' = c",
    "SET a.b = c d",
    "SET a.b =",
    "SET a.b",
    "SET 'a.b'",
    "SET =c",
    "RESET 'a.b' x",
    "SET 'a' = 1",
]
