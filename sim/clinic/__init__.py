"""Care: everything that happens to a patient from referral on. Knows biology, not engines or money."""
