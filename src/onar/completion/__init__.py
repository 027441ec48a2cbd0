"""`onar complete`: which photo with which mask to which file, completed in this process or on Ray."""
