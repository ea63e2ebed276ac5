"""The coverage page is what the data sets show now, and finds every feature or says what it needs."""

from pathlib import Path

import pytest

from docs.coverage import PAGE, page, survey
from fhir_mapping.catalogue import CATALOGUE


@pytest.mark.slow
@pytest.mark.data
def test_the_page_is_fresh_and_every_feature_is_found_or_its_data_named(data_dir: Path) -> None:
    seen = survey(data_dir)
    assert PAGE.read_text("utf-8") == page(seen), "run `python -m docs.coverage`"
    needed = PAGE.read_text("utf-8").partition("## Found in no data set")[2]
    for name in CATALOGUE.names:
        found = any(each.found[name] for each in seen.values())
        assert found or f"`{name}`" in needed
