# lib/table
