"""Who may call: the clients that are trusted, and how each proves who it is (CDS Hooks 2.0, Trusting CDS Clients)."""
