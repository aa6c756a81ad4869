"""The acts on campaigns and cards that can need the approval of another member of staff."""
