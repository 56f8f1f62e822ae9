-- Only SQLite keeps addresses in another order now; here the table stays as it is.
SELECT 1;
