# proxymap
