# passes behind the end of a run change labels
# test: test_backend runs to every end
s/return pass.ended != nullptr \&\& \*pass.ended != 0;/return false;/
