"""The SMART app: who signs in (SMART App Launch 2.2), what they are allowed, and the pages they see."""
