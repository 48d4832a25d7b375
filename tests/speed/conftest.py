"""Lets these tests import `bench`, which lies at the top of the project."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
