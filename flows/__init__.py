"""Prefect flows over the stages of `aigc`: orchestration only. Importing one imports Prefect, which takes seconds."""
