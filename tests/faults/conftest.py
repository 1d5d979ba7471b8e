import pytest

from tests.faults.harness import bench_module

SmallSite = bench_module("small_site").SmallSite


@pytest.fixture
def make_site():
    """Make sites of one user that end with the test."""
    made = []

    def make(directory=None):
        site = SmallSite(directory)
        made.append(site)
        return site

    yield make
    for site in made:
        site.close()


@pytest.fixture
def small_site(make_site):
    return make_site()
