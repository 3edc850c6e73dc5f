"""Labels that say that a text is made by AI: for people, for machines, and whether a file has what a law asks for.

    visible        the label that people read: its words and its place
    hidden         the label that machines read, of GB 45438-2025
    provider_code  who answers for a text, as 27 characters with a check
    carriers       files that carry labels: read back, and written
    front_matter   Markdown's place for one
    office         that of .xlsx and .docx
    found          what a look at a file's labels found
    regimes        what China, the European Union and C2PA ask for, and which of it is there
"""
