"""`course share`: one page of what a learner did, to be given away. Nothing personal is in it unless they say so."""
