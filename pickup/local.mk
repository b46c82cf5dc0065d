# pickup
