"""Texts for readers: those that editors approved, or that nobody objects to, in files that carry their labels.

    values     a published text, what proves it, what is said of a whole export
    selecting  which records are published, with which words, and why others are not
    prose      a text's headings, paragraphs and lists
    naming     what people call it
    tables     CSV, JSON Lines, Parquet
    workbook   a sheet for each content type
    word       a Word document for each content type
    word_parts its styles and the parts that every such document has
    markdown   a file for each text
    placing    an export takes its place as a whole
    exporting  all of it, with sidecars and statement
"""

from __future__ import annotations

from aigc.publishing.values import FORGOTTEN, STATEMENT, files_told

__all__ = ["FORGOTTEN", "STATEMENT", "files_told"]
