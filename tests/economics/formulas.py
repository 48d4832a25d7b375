"""A small reader of spreadsheet formulas: enough for our own workbook, written apart from what writes it."""

from __future__ import annotations

import re
from typing import Any

from openpyxl.utils import range_boundaries

TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+\.?\d*(?:E[+-]?\d+)?)|"(?P<text>[^"]*)"
    |(?P<ref>(?:'[^']+'!|\w+!)?\$?[A-Z]{1,3}\$?\d+(?::\$?[A-Z]{1,3}\$?\d+)?)
    |(?P<name>[A-Z]+(?=\())|(?P<op><=|>=|<>|[-+*/(),<>=]))""",
    re.VERBOSE,
)


class Sheets:
    """The values of a workbook, computed from its formulas."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.known: dict[tuple[str, int, int], Any] = {}

    def value(self, sheet: str, row: int, column: int) -> Any:
        key = (sheet, row, column)
        if key not in self.known:
            raw = self.book[sheet].cell(row, column).value
            formula = isinstance(raw, str) and raw.startswith("=")
            self.known[key] = Formula(self, sheet, raw[1:]).result() if formula else raw
        return self.known[key]

    def block(self, sheet: str, text: str) -> list[Any]:
        left, top, right, bottom = range_boundaries(text.replace("$", ""))
        return [self.value(sheet, r, c) for r in range(top, bottom + 1) for c in range(left, right + 1)]

    def table(self, sheet: str, head: int = 4) -> list[dict[str, Any]]:
        own = self.book[sheet]
        names = [own.cell(head, c).value for c in range(1, own.max_column + 1)]
        return [
            {str(name): self.value(sheet, r, c) for c, name in enumerate(names, start=1) if name is not None}
            for r in range(head + 1, own.max_row + 1)
        ]


class Formula:
    """One formula, read by recursive descent."""

    def __init__(self, sheets: Sheets, sheet: str, text: str) -> None:
        self.sheets, self.sheet = sheets, sheet
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            found = TOKEN.match(text, at)
            assert found is not None, text[at:]
            kind = str(found.lastgroup)
            self.tokens.append((kind, found.group(kind)))
            at = found.end()
        self.at = 0

    def result(self) -> Any:
        value = self.comparison()
        assert self.at == len(self.tokens), self.tokens[self.at :]
        return value

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) and self.tokens[self.at][0] == "op" else ""

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def comparison(self) -> Any:
        left = self.total()
        while self.peek() in ("<", ">", "<=", ">=", "=", "<>") and self.peek():
            sign, right = self.take()[1], self.total()
            left = {
                "<": lambda a, b: a < b,
                ">": lambda a, b: a > b,
                "<=": lambda a, b: a <= b,
                ">=": lambda a, b: a >= b,
                "=": lambda a, b: a == b,
                "<>": lambda a, b: a != b,
            }[sign](left, right)
        return left

    def total(self) -> Any:
        left = self.product()
        while self.peek() in ("+", "-") and self.peek():
            left = left + self.product() if self.take()[1] == "+" else left - self.product()
        return left

    def product(self) -> Any:
        left = self.atom()
        while self.peek() in ("*", "/") and self.peek():
            left = left * self.atom() if self.take()[1] == "*" else left / self.atom()
        return left

    def atom(self) -> Any:
        kind, text = self.take()
        if kind == "number":
            return float(text)
        if kind == "text":
            return text
        if kind == "ref":
            return self.reference(text)
        if kind == "name":
            return self.call(text)
        if text == "-":
            return -self.atom()
        assert text == "(", text
        value = self.comparison()
        assert self.take()[1] == ")"
        return value

    def reference(self, text: str) -> Any:
        sheet, _, cells = text.rpartition("!")
        sheet = sheet.strip("'") or self.sheet
        values = self.sheets.block(sheet, cells)
        return values if ":" in cells else values[0]

    def call(self, name: str) -> Any:
        assert self.take()[1] == "("
        if name == "IF":  # the branch that is not taken is not computed
            return self.choose()
        arguments = [self.comparison()]
        while self.take()[1] == ",":
            arguments.append(self.comparison())
        flat = [v for a in arguments for v in (a if isinstance(a, list) else [a])]
        numbers = [float(v) for v in flat if isinstance(v, int | float) and not isinstance(v, bool)]
        if name == "SUMIFS":
            sums, *pairs = arguments
            tests = list(zip(pairs[::2], pairs[1::2], strict=True))
            return sum(v for k, v in enumerate(sums) if all(keys[k] == wanted for keys, wanted in tests))
        return {
            "SUM": lambda: sum(numbers),
            "MAX": lambda: max(numbers),
            "MIN": lambda: min(numbers),
            "COUNT": lambda: len(numbers),
            "AND": lambda: all(flat),
            "OR": lambda: any(flat),
        }[name]()

    def choose(self) -> Any:
        condition = self.comparison()
        assert self.take()[1] == ","
        if not condition:
            self.skip()
        value = self.comparison()
        if condition:
            assert self.take()[1] == ","
            self.skip(end=True)
        else:
            assert self.take()[1] == ")"
        return value

    def skip(self, end: bool = False) -> None:
        """Pass over an argument of IF, up to its comma, or to the end of the IF."""
        depth = 0
        while True:
            kind, text = self.take()
            if kind == "op" and text == "(":
                depth += 1
            elif kind == "op" and text == ")":
                if depth == 0:
                    assert end
                    return
                depth -= 1
            elif kind == "op" and text == "," and depth == 0 and not end:
                return
