from tests.cassettes import make_anew

make_anew()
