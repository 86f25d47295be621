"""A zoo of clean and backdoored text classifiers, trained by `make zoo` from recipes that stand here."""
