"""Sections of the page: every module here is imported, and may register sections with `sim.report.page.section`."""
