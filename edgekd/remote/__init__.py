"""Boards over SSH: a private environment there, bundles copied by content, measurements that outlive the connection."""
