# sendmail
