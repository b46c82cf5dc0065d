# lib/intake
