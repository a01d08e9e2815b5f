"""Networks, one per file: blocks, predictions and the symmetries that follow from the layers."""
