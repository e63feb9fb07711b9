# the last thread takes a row of padding
s/(batch.rows - first < N ? batch.rows - first : N)/(batch.rows - first < N ? batch.rows - first + 1 : N)/
