# The tests: they see the source, before anything is built.
echo "1..1"
if grep -q "<h1>Hello" index.html; then
  echo "ok 1 - the page has its title"
else
  echo "not ok 1 - the page has its title"
  exit 1
fi
