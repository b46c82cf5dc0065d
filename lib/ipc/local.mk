# lib/ipc
