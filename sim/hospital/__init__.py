"""The hospital around the patients: when places are given, who comes when and where, and what the book says."""
