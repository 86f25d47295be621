"""Programs started inside the sandbox. They import core and formats alone, and nobody imports them."""
