"""Web servers and workers as processes, and customers who check out without a pause while an operator acts."""
