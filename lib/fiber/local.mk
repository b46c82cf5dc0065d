# lib/fiber
