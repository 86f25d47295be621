"""What happens when a model turns out bad: copies of it are taken out of use."""
