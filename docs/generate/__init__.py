"""Parts of pages, made from the code; `docs/hook.py` puts them where pages name them."""
