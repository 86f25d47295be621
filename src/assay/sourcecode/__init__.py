"""Python, notebooks, shell, requirements and templates to facts, by syntax alone; nothing is ever run or imported."""
