from tests.scenarios.site import TAMMY, USERS, code_of

def test_one(site):
    print(site.send(TAMMY)); print(site.arrived(TAMMY)); print(site.processes())

def test_users(make_site):
    site = make_site(USERS).start()
    print(code_of(site.send(TAMMY))); print(site.arrived(TAMMY)); print(site.processes())
