# what lies behind the last column of the rows is multiplied too
# test: test_backend assigns and adds up
s/if (depth + level < pass.columns && row < pass.batch.rows)/if (row < pass.batch.rows)/
