"""A derivation that someone wrote, judged line by line: `derive verify`."""
