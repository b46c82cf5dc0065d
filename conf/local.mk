# conf: the parameter table and what is installed
EXTRA_DIST += conf/params.tsv conf/params.awk
