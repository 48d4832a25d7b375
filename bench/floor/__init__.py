"""A reduced pathway, once as handlers for the general engines and once by hand: what generality costs."""
