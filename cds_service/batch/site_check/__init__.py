"""What a site's data look like to the mapping, before go-live: counts, codes and units, no values."""
