"""Disease: clones, CAR T persistence, antigen escape, hazards. Knows no clinic."""
