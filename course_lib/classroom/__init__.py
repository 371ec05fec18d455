"""For teachers: notebooks of students graded safely, results, hidden inputs, a class's folder.

The grader's process has the cases and what they expect; a student's process has the student's code and nothing else.

grader, student     one notebook; its process, with limits
sandbox, running    where that process runs, and what that protects against
worker, definitions     inside it: what of a notebook is an answer
bridge, wire, remote, mirrors, gradients, copies    calls between the two: values, objects, networks, gradients
graders_door, students_door, errors_across      what each end lets the other do
notebooks, results, feedback, deadlines, gradebooks     files: what comes in, what goes out
hidden, setup, grading, commands    inputs of a class, its folder, the command line
students_course     the course without its solutions
nbgrader_course, nbgrader_scores, nbgrader_plugins      nbgrader's files and database; what its configuration loads
hub, hub_users, hub_spawner, mounts     a JupyterHub: how it starts, who may use it, the sandbox of each student
"""
