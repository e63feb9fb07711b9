# rows beyond the last one weigh as much as it
# test: test_backend_mixture takes sizes
s/row < pass.rows.rows ? mass_of(pass, row) : 0.0/mass_of(pass, row < pass.rows.rows ? row : pass.rows.rows - 1)/
