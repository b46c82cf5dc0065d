# anvil
