# postlogd
