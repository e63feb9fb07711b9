# the last row is forgotten
s/base < pass.batch.rows; base/base < pass.batch.rows - 1; base/
