"""Labels that say that a text is made by AI: for people, for machines, and whether a file has what a law asks for.

    provider_code  who answers for a text, as 27 characters with a check
    hidden         the label for machines of GB 45438-2025
"""
