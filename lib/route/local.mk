# lib/route
